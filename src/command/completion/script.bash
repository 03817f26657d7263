# Completion of @FILE@ in bash. For ~/.bashrc: source <(@FILE@ completion bash)
# The words come from the program itself: `@FILE@ __complete` prints a candidate a line, and last `:4`, or `:0` for files.

_@FUNCTION@() {
    local words=() word last='' answer value typed joined i
    # bash parts words at = and : as well; the program wants them as they were typed.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 1)) && [[ $word == [=:]* || $last == *[=:] ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        last=$word
    done
    # As the program would get them: without backslashes and quotes.
    for ((i = 0; i < ${#words[@]}; i++)); do
        IFS= read word <<<"${words[i]}" || :
        word=${word#[\'\"]}
        words[i]=${word%[\'\"]}
    done
    COMPREPLY=()
    answer=$(@FILE@ __complete "${words[@]}" </dev/null 2>/dev/null) || return 0

    # What bash keeps by itself: up to the last = or : of the word.
    typed=${words[${#words[@]} - 1]}
    if [[ $typed == -*=* ]]; then typed=${typed#*=}; fi
    joined=''
    if [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]]; then joined=${typed%"${typed##*:}"}; fi
    while IFS=$'\t' read -r value _; do
        case $value in
            :0) ;;
            # No files where there is no candidate. bash 3.2 cannot be told so.
            :*) compopt +o default 2>/dev/null ;;
            *)
                value=${value#"$joined"}
                # Other characters may mean something to bash.
                if [[ $value == *[^A-Za-z0-9_./:@%+=,-]* ]]; then printf -v value %q "$value"; fi
                COMPREPLY+=("$value")
                ;;
        esac
    done <<<"$answer"
}

complete -o default -F _@FUNCTION@ @FILE@
