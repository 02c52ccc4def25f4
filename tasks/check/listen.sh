# Listens on a port, TCP and UDP, for as long as the caller stays connected and at
# most for the given seconds, and prints the datagrams that come. Both are sockets
# of this shell's children: nothing is installed, nothing is left.
port=$1 seconds=$2
timeout --foreground "$seconds" systemd-socket-activate -l "$port" sleep "$seconds" 2>&1 </dev/null | sed -u 's/^/tcp: /' &
timeout --foreground "$seconds" systemd-socket-activate -d -l "$port" sh -c 'exec cat <&3' 2>&1 </dev/null | sed -u 's/^/udp: /' &
wait
