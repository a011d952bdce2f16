//! The shop, release 1.0.

fn main() -> std::process::ExitCode {
    shop::run(shop::release::V1_0)
}
