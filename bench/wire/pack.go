package main

import "encoding/binary"

// MessagePack, as far as skipping needs it.
type pack struct {
	rest []byte
	err  error
}

func (p *pack) take(n int) []byte {
	if p.err != nil || n < 0 || n > len(p.rest) {
		p.err = errMalformed
		return make([]byte, 8)
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *pack) length(size int) int {
	taken := p.take(size)
	switch size {
	case 1:
		return int(taken[0])
	case 2:
		return int(binary.BigEndian.Uint16(taken))
	default:
		return int(binary.BigEndian.Uint32(taken))
	}
}

// The length of the array that comes next.
func (p *pack) array() int {
	kind := p.take(1)[0]
	switch {
	case kind>>4 == 9:
		return int(kind & 15)
	case kind == 0xdc || kind == 0xdd:
		return p.length(2 << (kind - 0xdc))
	}
	p.err = errMalformed
	return 0
}

func (p *pack) skip() {
	kind := p.take(1)[0]
	switch {
	case kind < 0x80 || kind >= 0xe0: // small integers
	case kind < 0x90:
		p.skipItems(2 * int(kind&15))
	case kind < 0xa0:
		p.skipItems(int(kind & 15))
	case kind < 0xc0:
		p.take(int(kind & 31))
	case kind < 0xc4: // nil, false, true
	case kind < 0xc7: // binary
		p.take(p.length(1 << (kind - 0xc4)))
	case kind < 0xca: // extension: its type is one byte more
		p.take(p.length(1<<(kind-0xc7)) + 1)
	case kind < 0xcc: // floats
		p.take(4 << (kind - 0xca))
	case kind < 0xd0: // unsigned
		p.take(1 << (kind - 0xcc))
	case kind < 0xd4: // signed
		p.take(1 << (kind - 0xd0))
	case kind < 0xd9: // extensions of a fixed size
		p.take(1<<(kind-0xd4) + 1)
	case kind < 0xdc: // strings
		p.take(p.length(1 << (kind - 0xd9)))
	case kind < 0xde:
		p.skipItems(p.length(2 << (kind - 0xdc)))
	default:
		p.skipItems(2 * p.length(2<<(kind-0xde)))
	}
}

func (p *pack) skipItems(n int) {
	for ; n > 0 && p.err == nil; n-- {
		p.skip()
	}
}
