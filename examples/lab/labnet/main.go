//go:build linux

// Command labnet joins two existing persistent TAP devices and copies Ethernet frames
// between them with a one-way delay, a rate cap and random loss: a user-space
// netem for kernels without CONFIG_NET_SCH_NETEM.
//
//	labnet -a tapA -b tapB [-delay 25ms] [-jitter 0] [-rate 10mbit] [-loss 1%] [-queue 200ms]
package main

import (
	"flag"
	"log"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func openTap(name string) *os.File {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		log.Fatal("/dev/net/tun: ", err)
	}
	var ifr [40]byte
	copy(ifr[:15], name)
	*(*uint16)(unsafe.Pointer(&ifr[16])) = syscall.IFF_TAP | syscall.IFF_NO_PI
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&ifr[0]))); e != 0 {
		log.Fatal("TUNSETIFF ", name, ": ", e)
	}
	return os.NewFile(uintptr(fd), name)
}

func parseRate(s string) float64 { // bits per second
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" || s == "0" {
		return 0
	}
	m := 1.0
	for _, u := range []struct {
		suf string
		m   float64
	}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}} {
		if strings.HasSuffix(s, u.suf) {
			s, m = strings.TrimSuffix(s, u.suf), u.m
			break
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		log.Fatal("rate: ", err)
	}
	return v * m
}

type frame struct {
	at time.Time
	b  []byte
}

func pump(src, dst *os.File, delay, jitter time.Duration, rate, loss float64, queue time.Duration) {
	ch := make(chan frame, 65536)
	go func() {
		for f := range ch {
			if d := time.Until(f.at); d > 0 {
				time.Sleep(d)
			}
			dst.Write(f.b) // an error is a lost frame
		}
	}()
	buf := make([]byte, 65536)
	var free, last time.Time // when the rate-capped line is idle; order keeper
	for {
		n, err := src.Read(buf)
		if err != nil {
			log.Fatal(src.Name(), ": ", err)
		}
		if loss > 0 && rand.Float64() < loss {
			continue
		}
		now := time.Now()
		at := now
		if rate > 0 {
			if free.Before(now) {
				free = now
			}
			if free.Sub(now) > queue {
				continue // tail drop
			}
			free = free.Add(time.Duration(float64(n) * 8 / rate * 1e9))
			at = free
		}
		at = at.Add(delay)
		if jitter > 0 {
			at = at.Add(time.Duration(rand.Int63n(int64(jitter))))
		}
		if at.Before(last) {
			at = last
		}
		last = at
		select {
		case ch <- frame{at, append([]byte(nil), buf[:n]...)}:
		default:
		}
	}
}

func main() {
	a := flag.String("a", "", "first TAP device")
	b := flag.String("b", "", "second TAP device")
	delay := flag.Duration("delay", 0, "one-way delay")
	jitter := flag.Duration("jitter", 0, "extra random one-way delay, order kept")
	rate := flag.String("rate", "", "cap in each direction, such as 10mbit")
	loss := flag.String("loss", "0", "loss, such as 1%")
	queue := flag.Duration("queue", 200*time.Millisecond, "longest queue before tail drop when a rate is set")
	flag.Parse()
	l, err := strconv.ParseFloat(strings.TrimSuffix(*loss, "%"), 64)
	if err != nil {
		log.Fatal("loss: ", err)
	}
	l /= 100
	r := parseRate(*rate)
	ta, tb := openTap(*a), openTap(*b)
	go pump(ta, tb, *delay, *jitter, r, l, *queue)
	pump(tb, ta, *delay, *jitter, r, l, *queue)
}
