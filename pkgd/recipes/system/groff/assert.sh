printf '.TH A 1\n.SH NAME\na \\- b\n' | groff -man -Tascii | grep NAME
