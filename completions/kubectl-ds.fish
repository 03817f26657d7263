# Completion of kubectl-ds in fish. For ~/.config/fish/config.fish: kubectl-ds completion fish | source
# The words come from the program itself: `kubectl-ds __complete` prints a candidate a line, and last `:4`, or `:0` for files.

function __kubectl_ds_complete
    set -l typed (commandline --current-token)
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    # fish replaces the whole word, so --flag= has to stand in each candidate.
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
