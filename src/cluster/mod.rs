//! The only rooms that know an API server, or a file that stands for one.
