package dbcopy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"strconv"
	"time"
)

// Kind is how a value is stored.
type Kind uint8

// The kinds. A source gives Null, Int, Float, Text and Blob; Time is made by convert.
const (
	Null Kind = iota
	Int
	Float
	Text
	Blob
	Time
)

// Value is one value of a row.
type Value struct {
	Kind  Kind
	Int   int64   // of Int; microseconds since 1970 in UTC of Time
	Float float64 // of Float
	// Bytes of Text and Blob; whoever keeps them longer than the call copies them.
	Bytes []byte
}

// Row has one value a column.
type Row []Value

// micros is the time as Int of a Time.
func micros(t time.Time) int64 { return t.Unix()*1e6 + int64(t.Nanosecond())/1000 }

// at is the time of a Time, in UTC.
func (v Value) at() time.Time {
	s, us := v.Int/1e6, v.Int%1e6
	if us < 0 {
		s, us = s-1, us+1e6
	}
	return time.Unix(s, us*1000).UTC()
}

// dateTime is the format in which all servers take and give times.
const dateTime = "2006-01-02 15:04:05.999999"

// appendText writes a value as servers take it as text, unquoted.
func (v Value) appendText(b []byte) []byte {
	switch v.Kind {
	case Int:
		return strconv.AppendInt(b, v.Int, 10)
	case Float:
		return strconv.AppendFloat(b, v.Float, 'g', -1, 64)
	case Time:
		return v.at().AppendFormat(b, dateTime)
	case Null:
		return append(b, "NULL"...)
	}
	return append(b, v.Bytes...)
}

// Sum is what many rows come to, in whatever order they are read: how many, and the sum
// of their hashes (SHA-256, as two numbers that wrap around).
type Sum struct {
	Rows   int64
	hi, lo uint64
}

// String is the checksum in hexadecimal.
func (s Sum) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], s.hi)
	binary.BigEndian.PutUint64(b[8:], s.lo)
	return hex.EncodeToString(b[:])
}

// hasher sums rows.
type hasher struct {
	sum Sum
	h   hash.Hash
	buf []byte
	out [sha256.Size]byte
}

func newHasher() *hasher { return &hasher{h: sha256.New()} }

func (h *hasher) of(r Row) (hi, lo uint64) {
	b := h.buf[:0]
	for _, v := range r {
		b = append(b, byte(v.Kind))
		switch v.Kind {
		case Int, Time:
			b = binary.BigEndian.AppendUint64(b, uint64(v.Int))
		case Float:
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float))
		case Text, Blob:
			b = binary.BigEndian.AppendUint64(b, uint64(len(v.Bytes)))
			b = append(b, v.Bytes...)
		}
	}
	h.buf = b[:0]
	if cap(b) > 1<<20 {
		h.buf = nil
	}
	h.h.Reset()
	_, _ = h.h.Write(b)
	sum := h.h.Sum(h.out[:0])
	return binary.BigEndian.Uint64(sum), binary.BigEndian.Uint64(sum[8:])
}

func (h *hasher) add(r Row) {
	hi, lo := h.of(r)
	h.sum.Rows++
	h.sum.hi += hi
	h.sum.lo += lo
}

// trimmed is without what a fixed-width column pads with.
func trimmed(b []byte, with string) []byte { return bytes.TrimRight(b, with) }
