package server

import (
	"log/slog"
	"net"
	"os"
	"strings"
)

// notify tells systemd about the state; without NOTIFY_SOCKET it does nothing.
func notify(state string, log *slog.Logger) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	if strings.HasPrefix(socket, "@") {
		socket = "\x00" + socket[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		log.Warn("Failed to connect to systemd", "err", err, "socket", socket)
		return
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		log.Warn("Failed to write notification to systemd", "err", err)
	}
}
