//! Steps 2 and 3: authoritative answers for the site's names.
