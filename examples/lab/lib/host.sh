# shellcheck shell=bash
# One host: its disk (an overlay over a cached root file system), its cgroups,
# its supervisor, its life.
#
# What makes systemd-nspawn work where systemd is not this machine's PID 1: a
# cgroup per host on cgroup2 and on name=systemd, --keep-unit --register=no,
# SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1, a network namespace made before, and a
# loop around it, for a container that reboots exits with 133.

# ---- cgroups --------------------------------------------------------------------
cg2() { awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts; }
cg_roots() { awk '$3 == "cgroup2" || ($3 == "cgroup" && $4 ~ /name=systemd/) {print $2}' /proc/mounts | grep -v "^$D/" | sort -u; }
cg_hosts() { find "$(cg2)/$CGROUP" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' 2>/dev/null | grep -E '^(svc|h[0-9]+)$' || true; }
cg_procs() { find "$(cg2)/$CGROUP/$1" -name cgroup.procs -exec cat {} + 2>/dev/null || true; }
cg_populated() { grep -q '^populated 1' "$(cg2)/$CGROUP/$1/cgroup.events" 2>/dev/null; }
cg_enter() { # this shell into cgroups of its own
  local g
  for g in $(cg_roots); do
    mkdir -p "$g/$CGROUP/$1"
    echo $BASHPID >"$g/$CGROUP/$1/cgroup.procs"
  done
}
cg_leave() { # remove NAME's empty cgroups
  local g
  for g in $(cg_roots); do
    [ ! -d "$g/$CGROUP/$1" ] || find "$g/$CGROUP/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}
cg_down() {
  local g
  for g in $(cg_roots); do rmdir "$g/$CGROUP" 2>/dev/null || true; done
}

# supervised HOST: its supervisor lives. Read from its cgroup: a pid file would
# lie after a machine or a test runner was killed and the number was reused.
supervised() {
  local p
  for p in $(cg_procs "$1"); do
    if tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -q " __host $1 "; then return 0; fi
  done
  return 1
}
init_of() { # the pid, here, of HOST's PID 1
  local p
  for p in $(cg_procs "$1"); do
    if grep -q '^NSpid:.*[[:space:]]1$' "/proc/$p/status" 2>/dev/null; then echo "$p"; return 0; fi
  done
  return 1
}

# ---- disk -----------------------------------------------------------------------
host_keys() { # the operator's key and HOST's own: made once, whole or not at all
  local h=$1 k=$K/host/$1 f
  if [ ! -f "$K/id_ed25519.pub" ]; then
    rm -f "$K/id_ed25519"
    ssh-keygen -q -t ed25519 -N '' -C "$ID" -f "$K/id_ed25519"
  fi
  [ ! -d "$k" ] || return 0
  rm -rf "$k.part"
  mkdir -p "$k.part/etc/ssh"
  ssh-keygen -q -A -f "$k.part" >/dev/null
  for f in "$k.part"/etc/ssh/*.pub; do sed -i "s/ [^ ]*$/ root@$h/" "$f"; done
  mv "$k.part" "$k"
}

disk_lower() { # disk_lower HOST: the root file systems below its disk
  local lower
  lower=$C/$(world_base "$1")
  if [ "$1" = svc ]; then lower=$C/$(world_svc):$lower; fi
  if [ "$1" = svc ] && [ -n "$(extra)" ]; then lower=$C/$(extra_layer):$lower; fi
  echo "$lower"
}

disk_made() { # disk_made HOST: what its disk is to be made of, settings too
  echo "$(disk_lower "$1")$(world_settings "$1" | tr '\n' ' ' | sed 's/^./ &/')"
}

disk_other() { # disk_other HOST: it has a disk, made of something else
  [ -e "$R/$1/lower" ] && [ "$(cat "$R/$1/lower")" != "$(disk_made "$1")" ]
}

disk_up() { # disk_up HOST: mounted, with its identity
  local h=$1 d=$R/$1 lower u
  lower=$(disk_lower "$h")
  if [ ! -e "$d/lower" ] || disk_other "$h"; then # never made, made half, made over another image or with other settings
    disk_drop "$h"
  fi
  mkdir -p "$d/up" "$d/work" "$d/root"
  mountpoint -q "$d/root" || mount -t overlay overlay -o "lowerdir=$lower,upperdir=$d/up,workdir=$d/work" "$d/root"
  if [ ! -e "$d/lower" ]; then
    cp -p "$K/host/$h"/etc/ssh/ssh_host_* "$d/root/etc/ssh/"
    for u in root home/ops home/plain; do
      install -m 600 "$K/id_ed25519.pub" "$d/root/$u/.ssh/authorized_keys"
      chown --reference="$d/root/$u/.ssh" "$d/root/$u/.ssh/authorized_keys"
    done
    echo "$h" >"$d/root/etc/hostname"
    echo -n "$ID-$h" | md5sum | cut -c1-32 >"$d/root/etc/machine-id"
    if [ "$h" = svc ]; then svc_identity "$d/root"; fi
    world_files "$h" "$d/root"
    disk_made "$h" >"$d/lower" # last: the disk is complete
  fi
}

disk_unmount() {
  local r=$R/$1/root i
  mountpoint -q "$r" || return 0
  rm -f "/run/systemd/nspawn/locks/inode-$(stat -c '%d:%i' "$r")" # nspawn's lock on it
  for ((i = 0; i < 40; i++)); do # the kernel takes a moment to let go of a killed container
    mountpoint -q "$r" || return 0
    umount "$r" 2>/dev/null || sleep .05
  done
  umount -l "$r"
}
disk_drop() { disk_unmount "$1"; rm -rf "${R:?}/$1"; }

# ---- life -----------------------------------------------------------------------
host_up() { # boot, and wait until ssh answers; a host that runs is left alone
  local h=$1 started=
  host_keys "$h"
  if ! supervised "$h"; then
    host_kill "$h" # what a lost supervisor may have left
    cable_up "$h"
    disk_up "$h"
    cmp -s "$R/hosts" "$R/$h/root/etc/hosts" || cat "$R/hosts" >"$R/$h/root/etc/hosts"
    LAB_DIR=$D setsid "$SELF" __host "$h" </dev/null >"$D/logs/$h.log" 2>&1 &
    started=$!
  else
    cable_up "$h"
    cmp -s "$R/hosts" "$R/$h/root/etc/hosts" || cat "$R/hosts" >"$R/$h/root/etc/hosts"
  fi
  host_wait "$h" $started
}

host_loop() { # the supervisor: one container, and another boot after 'reboot'
  local h=$1 rc g
  while :; do
    cg_enter "$h"
    for g in $(cg_roots); do find "$g/$CGROUP/$h" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || true; done
    rc=0
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network \
      systemd-nspawn -q --boot -D "$R/$h/root" -M "$(machine "$h")" --hostname="$h" --register=no --keep-unit \
      --network-namespace-path="/run/netns/$(netns "$h")" --capability=CAP_NET_ADMIN,CAP_NET_RAW \
      --console=pipe --link-journal=no --resolv-conf=off --timezone=off || rc=$?
    # a machine that is off answers nothing; its namespace alone would say "connection refused"
    ip link set "$(cable "$h")" down 2>/dev/null || true
    [ $rc = 133 ] || break
    sleep "${LAB_REBOOT_DELAY:-0}"
    ip link set "$(cable "$h")" up
  done
}

host_wait() { # host_wait HOST [PID]: until systemd has finished booting; PID is becoming its supervisor
  local h=$1 i s
  for ((i = 0; i < 600; i++)); do
    s=$(ssh "${SSH_OPTS[@]}" "root@$(ip_of "$h")" 'systemctl is-system-running --wait' 2>/dev/null) || true
    case $s in
      running) return 0 ;;
      degraded)
        say "$h is up, with failed units: $(ssh "${SSH_OPTS[@]}" "root@$(ip_of "$h")" 'systemctl --failed --plain --no-legend' | awk '{printf "%s ", $1}')"
        return 0 ;;
    esac
    # A busy machine takes seconds until the supervisor is in its cgroup, where it is looked for.
    [ "$i" -lt 20 ] || supervised "$h" || kill -0 "${2:-}" 2>/dev/null || { say "$h died while booting: $D/logs/$h.log"; return 1; }
    sleep .1
  done
  say "$h does not answer ssh: $D/logs/$h.log"
  return 1
}

host_kill() { # cut the power: every process of HOST's at once, its supervisor too
  local h=$1 g i
  ip link set "$(cable "$h")" down 2>/dev/null || true
  g=$(cg2)/$CGROUP/$h
  [ -e "$g/cgroup.kill" ] || return 0
  echo 1 >"$g/cgroup.kill"
  for ((i = 0; i < 200; i++)); do
    cg_populated "$h" || return 0
    sleep .05
  done
  say "$h: processes do not die: $(cg_procs "$h" | tr '\n' ' ')"
  return 1
}

host_stop() { # the power button
  local h=$1 i p
  if p=$(init_of "$h"); then
    kill -s RTMIN+4 "$p" # systemd's own signal for poweroff
    for ((i = 0; i < 600; i++)); do
      [ -d "/proc/$p" ] || break
      sleep .05
    done
  fi
  host_kill "$h"
}

host_wipe() { # a fresh disk
  local h=$1
  host_kill "$h"
  disk_drop "$h"
  host_up "$h"
}

host_unplug() { # what a host leaves besides its disk: processes, mount, namespace, cable, cgroups
  local h=$1 m
  host_kill "$h" || true
  m=$(machine "$h")
  disk_unmount "$h"
  ip netns del "$(netns "$h")" 2>/dev/null || true
  ip link del "$(cable "$h")" 2>/dev/null || true
  cg_leave "$h"
  rm -rf "/run/systemd/nspawn/propagate/$m" "/run/systemd/nspawn/unix-export/$m"
}
host_drop() { host_unplug "$1"; rm -rf "${R:?}/$1"; }
