//! Programs of the distribution, found on the system or fetched without root.
