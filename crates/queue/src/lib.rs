//! Steps 6 and 8: the site's queue, the choice of a worker, davy's frames.
