//! Lowers the filling of halos.
