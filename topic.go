package changefeed

import "fmt"

// ValidateTopic returns an error where Kafka would refuse the topic's name.
func ValidateTopic(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 249 {
		return fmt.Errorf("topic name %q must have 1 to 249 characters and not be \".\" or \"..\"", name)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
		default:
			return fmt.Errorf("topic name %q holds %q: use letters, digits, \".\", \"_\" and \"-\"", name, r)
		}
	}
	return nil
}

// Partition returns the partition of a key among n partitions, as the Java
// client's default partitioner and most others after it choose it: murmur2 of
// the key with the sign bit cleared, modulo n.
func Partition(key []byte, n int) int {
	return int(Murmur2(key)&0x7fffffff) % n
}

// Murmur2 is the 32-bit MurmurHash2 of Kafka's Java client.
func Murmur2(key []byte) uint32 {
	const (
		seed uint32 = 0x9747b28c
		m    uint32 = 0x5bd1e995
		r           = 24
	)
	h := seed ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(key[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
