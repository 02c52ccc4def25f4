# shellcheck shell=bash
# Hosts as people have them. `up` takes for each host a release of Debian and settings:
#
#   h1=bullseye h2=trixie,shell=fish,sshd=MaxSessions:1 svc=trixie
#
#   RELEASE          bullseye bookworm trixie forky sid (without one: as this machine)
#   shell=SHELL      login shell of root, ops and opspw: bash dash ksh zsh fish csh tcsh busybox
#   sshd=KEY:VALUE   a line of sshd_config; more than one with + between
#   sftp=no          sshd without its SFTP subsystem
#   sudo=rs          sudo-rs instead of sudo (trixie and newer)
#   tmp=noexec|tiny  /tmp mounted noexec, or with 64 KiB in all
#   umask=077        of every session
#   says=LINE        what the login shell prints before anything else, one word
# svc takes a release, whose PostgreSQL, MariaDB, Redis, HAProxy and nginx it has, and
#   with=SERVICE     what it has besides: extra.sh lists them
# Root file systems of other releases are built when they are asked for and cached beside
# the lab's own, by a hash of their recipe.


# world_args ARG...: what `up` was told of single hosts, into $R/world.new; the rest is printed
world_args() {
  local a h rest
  : >"$R/world.new"
  for a; do
    case $a in
      h[0-9]*=* | svc=*)
        h=${a%%=*} rest=${a#*=}
        ip_of "$h" >/dev/null || exit 1
        world_valid "$h" "$rest" || exit 1
        echo "$h ${rest//,/ }" >>"$R/world.new"
        ;;
      *) echo "$a" ;;
    esac
  done
}

world_valid() { # world_valid HOST SETTINGS
  local w first=1 words
  IFS=, read -ra words <<<"$2"
  for w in "${words[@]}"; do
    case $w in
      shell=bash | shell=dash | shell=ksh | shell=zsh | shell=fish | shell=csh | shell=tcsh | shell=busybox | sftp=no | sudo=rs | tmp=noexec | tmp=tiny | umask=0[0-7][0-7]) ;;
      sshd=[A-Z]*:* | says=[A-Za-z]*) ;;
      with=pgbouncer | with=valkey | with=mysql | with=galera | with=patroni) [ "$1" = svc ] || die "up: $1=$2: services run on svc" ;;
      *)
        if [ $first = 0 ] || ! grep -qw -- "$w" <<<"$WORLD_RELEASES"; then
          die "up: $1=$2: '$w' is neither a release ($WORLD_RELEASES) nor a setting; examples/lab/lib/world.sh has them all"
        fi
        ;;
    esac
    first=0
  done
}

world_release() { # world_release HOST: its release; nothing where it is this machine's own
  local w
  w=$(sed -n "s/^$1 \([^ ]*\).*/\1/p" "$R/world" 2>/dev/null)
  case $w in *=*) ;; *) echo "$w" ;; esac
}

world_settings() { # world_settings HOST: its settings, one a line
  sed -n "s/^$1 //p" "$R/world" 2>/dev/null | tr ' ' '\n' | grep '=' || true
}

world_base() { # world_base HOST: the root file system below its disk
  local r
  r=$(world_release "$1")
  if [ -z "$r" ] && world_settings "$1" | grep -q '^shell='; then r=$(own_release); fi # its shells are in there
  if [ -n "$r" ]; then world_image "$r"; else echo "$BASE"; fi
}

world_svc() { # the services' layer: of the release that svc was given
  local r
  r=$(world_release svc)
  if [ -n "$r" ]; then world_layer "$r"; else echo "$SVC"; fi
}

# world_images builds what the hosts of $R/world need and the cache does not have
world_images() {
  local h i
  mv "$R/world.new" "$R/world"
  [ -s "$R/world" ] || return 0
  exec 8>"$C/.lock"
  flock 8
  for h in $(cut -d' ' -f1 "$R/world"); do
    i=$(world_base "$h")
    if [ -d "$C/$i" ]; then touch "$C/$i"; else world_build "$i" 8>&-; fi
  done
  h=$(world_release svc)
  [ -z "$h" ] || world_build_svc "$h" 8>&-
  extra_build 8>&-
  exec 8>&-
}

world_files() { # world_files HOST ROOT: its settings on its disk
  local h=$1 r=$2 s key value
  while IFS= read -r s; do
    key=${s%%=*} value=${s#*=}
    case $key in
      shell) world_shell "$r" "$value" ;;
      sshd)
        mkdir -p "$r/etc/ssh/sshd_config.d"
        tr '+:' '\n ' <<<"$value" >"$r/etc/ssh/sshd_config.d/00-lab.conf"
        ;;
      sftp) sed -i '/^Subsystem[[:space:]]*sftp/d' "$r/etc/ssh/sshd_config" ;;
      sudo)
        [ -e "$r/usr/bin/sudo-rs" ] || die "$h: there is no sudo-rs in $(world_release "$h")"
        chroot "$r" dpkg-divert --quiet --local --rename --add /usr/bin/sudo
        ln -s sudo-rs "$r/usr/bin/sudo"
        ;;
      tmp) world_tmp "$r" "$value" ;;
      umask)
        for s in common-session common-session-noninteractive; do
          echo "session optional pam_umask.so umask=$value" >>"$r/etc/pam.d/$s"
        done
        ;;
      says)
        for s in etc/zsh/zshenv etc/fish/config.fish etc/csh.cshrc etc/bash.bashrc root/.bashrc home/ops/.bashrc; do
          [ ! -d "$r/${s%/*}" ] || sed -i "1i echo $value" "$r/$s" 2>/dev/null || echo "echo $value" >"$r/$s"
        done
        ;;
    esac
  done < <(world_settings "$h")
}

world_shell() { # world_shell ROOT SHELL
  local p
  case $2 in
    busybox)
      p=/usr/local/bin/ash
      ln -sf "$(chroot "$1" sh -c 'command -v busybox')" "$1$p"
      ;;
    *) p=$(chroot "$1" sh -c "command -v $2") || die "there is no $2 in the root file system" ;;
  esac
  grep -qx "$p" "$1/etc/shells" || echo "$p" >>"$1/etc/shells"
  sed -i -E "s#^((root|ops|opspw):.*:)[^:]*\$#\1$p#" "$1/etc/passwd"
}

world_tmp() { # world_tmp ROOT noexec|tiny
  local o=noexec
  [ "$2" = noexec ] || o=size=64k
  printf '[Unit]\nDefaultDependencies=no\nAfter=local-fs.target\nBefore=ssh.service sysinit.target\n[Service]\nType=oneshot\nExecStart=/bin/sh -c "mountpoint -q /tmp && mount -o remount,%s /tmp || mount -t tmpfs -o mode=1777,%s tmpfs /tmp"\n[Install]\nWantedBy=sysinit.target\n' \
    "$o" "$o" >"$1/etc/systemd/system/lab-tmp.service"
  chroot "$1" systemctl enable -q lab-tmp.service
}
