# Tries ports of other hosts, all at once. Arguments, five for each host: name
# address port mode payload. Mode "listen": a listener of ours prints what comes;
# "ping": a running node answers a memberlist ping. The payload is what to send one
# after another, printf formats without a space: a datagram may be lost.
# TCP first tells a closed port from a filtered one by what connect(2) says.
tcp() {
  out=$(timeout --foreground 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$2" "$3" 2>&1); rc=$?
  case $rc:$out in
  0:*) said=ok ;;
  124:*) said='no answer' ;;
  *) said=${out##*: } ;;
  esac
  printf 'tcp\t%s\t%s\n' "$1" "$said"
}
udp() {
  said=sent
  exec 3<>"/dev/udp/$2/$3" || said=unresolved
  for payload in $5; do
    printf "$payload" >&3 2>/dev/null || said=refused
    if [ "$4" = ping ]; then
      [ "$(timeout --foreground 1 head -c 1 <&3 2>/dev/null | wc -c)" = 0 ] || { said=ok; break; }
    else
      sleep 0.2
    fi
  done
  printf 'udp\t%s\t%s\n' "$1" "$said"
}
while [ $# -ge 5 ]; do
  tcp "$@" &
  ( udp "$@" ) 2>/dev/null &
  shift 5
done
wait
