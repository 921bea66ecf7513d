//! Black-box tests of the API: who does what
