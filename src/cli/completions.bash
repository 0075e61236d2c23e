
# bash ends a word at = and : too, and the program does not: --wire=oa is one word for it.
_rsachat_whole_words() {
    local words=() rest=$COMP_LINE before= index=0 word i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        index=${#words[@]}
        if ((i > 0)) && [[ $rest != [[:space:]]* && "${COMP_WORDS[i - 1]}$word" == *[=:]* ]]; then
            index=$((index - 1))
        fi
        rest=${rest#"${rest%%[![:space:]]*}"}
        rest=${rest#"$word"}
        before=${words[index]-}
        words[index]=$before$word
    done
    # What stands before the cursor, which bash leaves alone as far as it ends with = or :.
    [[ $word == *[=:] ]] && before=$before$word
    words[index]=$before$2
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$index
    _clap_complete_rsachat "$1" "${words[index]}" "$3"
    if [[ -n $before && ${#COMPREPLY[@]} -gt 0 ]]; then
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
}
