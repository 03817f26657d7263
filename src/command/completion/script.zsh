#compdef @FILE@
# zsh completion for @FILE@. Add to ~/.zshrc after compinit: source <(@FILE@ completion zsh)
# `@FILE@ __complete` prints one candidate per line, and `:4` as the last line, or `:0` for file names.

_@FUNCTION@() {
    local -a answer candidates
    local line value meaning
    answer=("${(@f)$(@FILE@ __complete "${(@Q)words[2,CURRENT]}" </dev/null 2>/dev/null)}")
    # zsh keeps the --flag= prefix.
    [[ $PREFIX == -*=* ]] && compset -P '*='
    for line in "${answer[@]}"; do
        case $line in
            '') ;;
            :0) _files; return ;;
            :*) break ;;
            *)
                value=${line%%$'\t'*}
                meaning=${line#"$value"}
                candidates+=("${value//:/\\:}${meaning:+:${meaning#$'\t'}}")
                ;;
        esac
    done
    _describe -V '@FILE@' candidates
}

# In a file of fpath, run the function. When sourced, register it.
if [[ ${funcstack[1]} == (_@FUNCTION@|_@FILE@) ]]; then
    _@FUNCTION@ "$@"
elif (( $+functions[compdef] )); then
    compdef _@FUNCTION@ @FILE@
fi
