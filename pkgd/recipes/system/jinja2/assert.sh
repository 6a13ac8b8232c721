test "$(python3 -c 'import jinja2; print(jinja2.Template("{{ 6 * 7 }}").render())')" = 42
