package disk

import (
	"encoding/binary"

	"signet/internal/objects"
)

// crcOf returns the reversed polynomial of an algorithm and the bits it has; 0 for one
// that is no CRC, whose values cannot be combined.
func crcOf(algorithm string) (poly uint64, bits int) {
	switch algorithm {
	case "CRC32":
		return polyCRC32, 32
	case "CRC32C":
		return polyCRC32C, 32
	case "CRC64NVME":
		return polyCRC64NVME, 64
	}
	return 0, 0
}

// combineAll returns the CRC of the parts together by those of each, without their bytes.
func combineAll(algorithm string, values [][]byte, parts []objects.Part) ([]byte, bool) {
	poly, bits := crcOf(algorithm)
	if bits == 0 {
		return nil, false
	}
	var whole uint64
	for i, v := range values {
		if len(v)*8 != bits {
			return nil, false
		}
		whole = combine(poly, bits, whole, number(v), uint64(parts[i].Size)) //nolint:gosec // no size is negative
	}
	return binary.BigEndian.AppendUint64(nil, whole)[8-bits/8:], true
}

func number(big []byte) (n uint64) {
	for _, b := range big {
		n = n<<8 | uint64(b)
	}
	return n
}

// combine returns the CRC of two texts behind each other by those of each and the length
// of the second: the first one's, moved by as many zeros, and the second one's. To move
// by a byte is to multiply by x^8, so that moving by length is one multiplication by
// x^(8*length) modulo the polynomial. It holds for CRCs that begin and end with the same
// inversion, as these three do.
func combine(poly uint64, bits int, a, b, length uint64) uint64 {
	one := uint64(1) << (bits - 1) // x^0; reversed, the highest bit is the lowest power
	power, square := one, one>>8   // x^8
	for ; length > 0; length >>= 1 {
		if length&1 == 1 {
			power = times(poly, bits, power, square)
		}
		square = times(poly, bits, square, square)
	}
	return times(poly, bits, a, power) ^ b
}

// times multiplies two polynomials modulo a third, all reversed.
func times(poly uint64, bits int, a, b uint64) (product uint64) {
	for bit := uint64(1) << (bits - 1); bit > 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry == 1 {
			b ^= poly
		}
	}
	return product
}
