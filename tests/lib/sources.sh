# shellcheck shell=bash
# Which sources a build needs: those of chapters 7 to 10 are half a gigabyte that most runs do not.

# source_names STAGE...: what the recipes of these stages use, as `minos-image --only` takes it.
source_names() {
    local folders=("${@/#/pkgd/recipes/}")
    awk -F'"' '
        FILENAME ~ /recipe\.toml$/ { if ($1 == "file = ") wanted[$2]; next }
        $1 == "name = " { name = $2 }
        $1 == "file = " && $2 in wanted { names = names (names ? "," : "") name }
        END { print names }
    ' $(find "${folders[@]}" -name recipe.toml | sort) pkgd/recipes/sources.lock
}

# sources_of TARGET: those of the early stages where they are enough for it, else none by name: all.
sources_of() {
    case ${1%%@*} in
        lfs/toolchain | lfs/temporary | cross/* | temporary/* | demo/* | *:pass[12]) source_names cross temporary demo ;;
    esac
}
