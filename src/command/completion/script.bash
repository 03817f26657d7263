# bash completion for @FILE@. Add to ~/.bashrc: source <(@FILE@ completion bash)
# `@FILE@ __complete` prints one candidate per line, and `:4` as the last line, or `:0` for file names.

_@FUNCTION@() {
    local words=() word last='' answer value typed joined i
    # bash also splits words at = and :. Join them again.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 1)) && [[ $word == [=:]* || $last == *[=:] ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        last=$word
    done
    # Remove backslashes and quotes, as the shell would.
    for ((i = 0; i < ${#words[@]}; i++)); do
        IFS= read word <<<"${words[i]}" || :
        word=${word#[\'\"]}
        words[i]=${word%[\'\"]}
    done
    COMPREPLY=()
    answer=$(@FILE@ __complete "${words[@]}" </dev/null 2>/dev/null) || return 0

    # bash keeps the word up to its last = or :.
    typed=${words[${#words[@]} - 1]}
    if [[ $typed == -*=* ]]; then typed=${typed#*=}; fi
    joined=''
    if [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]]; then joined=${typed%"${typed##*:}"}; fi
    while IFS=$'\t' read -r value _; do
        case $value in
            :0) ;;
            # Without a candidate, do not complete file names. bash 3.2 does not support this.
            :*) compopt +o default 2>/dev/null ;;
            *)
                value=${value#"$joined"}
                # Quote other characters, which may be special to bash.
                if [[ $value == *[^A-Za-z0-9_./:@%+=,-]* ]]; then printf -v value %q "$value"; fi
                COMPREPLY+=("$value")
                ;;
        esac
    done <<<"$answer"
}

complete -o default -F _@FUNCTION@ @FILE@
