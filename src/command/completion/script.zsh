#compdef @FILE@
# Completion of @FILE@ in zsh. For ~/.zshrc, behind compinit: source <(@FILE@ completion zsh)
# The words come from the program itself: `@FILE@ __complete` prints a candidate a line, and last `:4`, or `:0` for files.

_@FUNCTION@() {
    local -a answer candidates
    local line value meaning
    answer=("${(@f)$(@FILE@ __complete "${(@Q)words[2,CURRENT]}" </dev/null 2>/dev/null)}")
    # zsh keeps --flag= by itself.
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

# As a file in fpath it is called; sourced it makes itself known.
if [[ ${funcstack[1]} == (_@FUNCTION@|_@FILE@) ]]; then
    _@FUNCTION@ "$@"
elif (( $+functions[compdef] )); then
    compdef _@FUNCTION@ @FILE@
fi
