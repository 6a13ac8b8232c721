printf 'one\ntwo\n' | gperf | grep -F in_word_set
