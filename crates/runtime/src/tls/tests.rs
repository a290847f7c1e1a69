mod files;
mod handshakes;
mod listener;
mod pki;
