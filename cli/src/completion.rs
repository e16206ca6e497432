//! `perdure completion …`

use clap::{Args, Command};
use clap_complete::Shell;

/// Print the completions of a shell.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  perdure completion bash > /etc/bash_completion.d/perdure\n  perdure completion zsh > \"${fpath[1]}/_perdure\"\n  perdure completion fish > ~/.config/fish/completions/perdure.fish"
)]
pub struct Completion {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    /// Prints the completions of `program`.
    pub fn run(self, mut program: Command) -> anyhow::Result<()> {
        let name = program.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, name, &mut script);
        std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
        Ok(())
    }
}
