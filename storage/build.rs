//! `sqlx::migrate!` reads the folders when it is compiled: compile again when they change.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
