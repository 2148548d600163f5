//! Step 7: application server: detection, environment, worker processes.
