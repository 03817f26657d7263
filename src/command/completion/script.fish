# fish completion for @FILE@. Add to ~/.config/fish/config.fish: @FILE@ completion fish | source
# `@FILE@ __complete` prints one candidate per line, and `:4` as the last line, or `:0` for file names.

function __@FUNCTION@_complete
    set -l typed (commandline --current-token)
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    # fish replaces the whole word, so each candidate needs the --flag= prefix.
    set -l flag (string match --regex -- '^--[^=]+=' "$typed")
    for line in (@FILE@ __complete $words[2..-1] "$typed" </dev/null 2>/dev/null)
        switch $line
            case ':0'
                __fish_complete_path (string replace -- "$flag" '' "$typed") | string replace --regex '^' -- "$flag"
            case ':*'
            case '*'
                echo -- "$flag$line"
        end
    end
end

complete --command @FILE@ --no-files --arguments '(__@FUNCTION@_complete)'
