//! Steps 4, 5 and 9: HTTP/1.1, static files, answers and error pages.
