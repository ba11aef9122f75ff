//! The `convc` command.

fn main() -> std::process::ExitCode {
    convc::cli::main()
}
