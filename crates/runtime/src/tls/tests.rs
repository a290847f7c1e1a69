mod files;
mod follow;
mod handshakes;
mod listener;
mod pki;
