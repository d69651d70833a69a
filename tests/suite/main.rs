//! The suite: behaviour through sockets, over every transport by the same body.

mod strings;
mod tidy;
