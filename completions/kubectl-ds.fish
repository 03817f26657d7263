# fish completion for kubectl-ds. Add to ~/.config/fish/config.fish: kubectl-ds completion fish | source
# `kubectl-ds __complete` prints one candidate per line, and `:4` as the last line, or `:0` for file names.

function __kubectl_ds_complete
    set -l typed (commandline --current-token)
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    # fish replaces the whole word, so each candidate needs the --flag= prefix.
    set -l flag (string match --regex -- '^--[^=]+=' "$typed")
    for line in (kubectl-ds __complete $words[2..-1] "$typed" </dev/null 2>/dev/null)
        switch $line
            case ':0'
                __fish_complete_path (string replace -- "$flag" '' "$typed") | string replace --regex '^' -- "$flag"
            case ':*'
            case '*'
                echo -- "$flag$line"
        end
    end
end

complete --command kubectl-ds --no-files --arguments '(__kubectl_ds_complete)'
