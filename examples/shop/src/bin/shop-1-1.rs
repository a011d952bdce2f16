//! The shop, release 1.1.

fn main() -> std::process::ExitCode {
    shop::run(shop::release::V1_1)
}
