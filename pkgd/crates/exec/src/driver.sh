set +h; umask 022
_minos_end= _minos_at= _minos_line='
'
trap '_minos_status=$?
if [ "$_minos_status" -ne 0 ]; then [ -z "$_minos_at" ] || printf "@MARK@%s\n" "$_minos_at" >&2
elif [ -z "$_minos_end" ]; then exit @EARLY@; fi' EXIT
trap '_minos_status=$? _minos_number=$LINENO _minos_last=$BASH_COMMAND
case $- in *e*)
    _minos_last=${_minos_last%%"$_minos_line"*} _minos_at=${BASH_SOURCE[0]##*/}
    if [ -z "$_minos_at" ]; then _minos_at="@PHASE@.sh: its last command: status $_minos_status"
    else _minos_at="$_minos_at:$_minos_number: ${_minos_last:0:160}: status $_minos_status"; fi
    [ "$BASHPID" = "$$" ] || printf "@MARK@%s\n" "$_minos_at" >&2
esac' ERR
mkdir -p @BUILD@/src @BUILD@/home; cd @BUILD@/src
set -eEo pipefail
. @RECIPE@/@PHASE@.sh
_minos_end=1
