//! Child processes, socket hand-over, signals and limits.
