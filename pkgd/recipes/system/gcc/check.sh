# Hours of tests, so they are run in parts: what was done when they were interrupted is not run again.

# The book: the stack of a thread must be large, and a few tests ask for what no build with these switches has.
ulimit -s unlimited || echo "the stack stays at $(ulimit -s) KiB"
sed -e '/cpython/d' -i gcc/testsuite/gcc.dg/plugin/plugin.exp
sed -e '/-no-pie/!s/no-pic /&-no-pie /' -i gcc/testsuite/gcc.target/i386/pr113689-1.c
sed -e '/(1|300000)/!s/300000/(1|300000)/' -i libgomp/testsuite/libgomp.c-c++-common/pr109062.c
sed -e 's/{ target nonpic } //' -e '/GOTPCREL/d' -i gcc/testsuite/gcc.target/i386/fentryname3.c

# NAME COMMAND...: a part. The summaries name every test, the log only the groups.
part() {
    local name=$1 status=0
    shift
    test ! -e "results/$name.sum" || return 0
    touch results/begun
    "$@" || status=$?
    find build -name '*.sum' -newer results/begun | sort | xargs -r cat > results/new
    echo "$status" > "results/$name.status"
    # A part that is done is one whose results outlive a power cut.
    sync
    mv results/new "results/$name.sum"
}

mkdir -p results
large="dg.exp dg-torture.exp compile.exp execute.exp tree-ssa.exp vect.exp i386.exp analyzer.exp"
for language in gcc g++; do
    for group in $large; do
        part "$language-$group" make -C build/gcc -k "check-$language" RUNTESTFLAGS="$group"
    done
    rest=$(find gcc/testsuite/$language.* -name '*.exp' -printf '%f\n' | sort -u | grep -vxF "${large// /$'\n'}")
    part "$language-rest" make -C build/gcc -k "check-$language" RUNTESTFLAGS="${rest//$'\n'/ }"
done
# The libraries, those of the compilers themselves and those that they bring along.
for library in $(sed -n 's/^maybe-check-\([^:]*\): check-.*/\1/p' build/Makefile | grep -vx gcc | sort -u); do
    part "$library" make -C build -k "check-$library"
done

cat results/*.sum > "$TEST_RESULTS"
test -z "$(grep -vx 0 results/*.status)"
