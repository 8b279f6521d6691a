# Ends a private PostgreSQL when the process that owns it is gone.
#
# $1              the server's directory
# standard input  the owner pipe: only the owner can write to it
# descriptor 3    the life pipe: every process of the server can write to it
#
# Nothing is ever written to either pipe, so a read returns at end of file. This
# shell leads the process group of the server and so must outlive the signal it
# sends to it.
trap '' HUP INT QUIT TERM

read -r _ || :

# An immediate shutdown, also of a server that somebody has suspended.
kill -s QUIT 0
kill -s CONT 0

read -r _ <&3 || :
rm -rf -- "$1"
