# lint: allow placeholder
perl -MXML::Parser -e 'XML::Parser->new(Style => "Tree")->parse("<a><b/></a>")->[0] eq "a" or die'
