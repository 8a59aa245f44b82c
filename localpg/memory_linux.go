package localpg

import "syscall"

const tmpfs = 0x01021994 // its f_type in statfs(2)

// memoryFree returns how many bytes memoryDir has room for; 0 if it is not in memory.
func memoryFree() int64 {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memoryDir, &fs); err != nil || fs.Type != tmpfs {
		return 0
	}
	return int64(fs.Bavail) * int64(fs.Bsize) //nolint:gosec,unconvert // less than 2^63; 32 bits on some platforms
}
