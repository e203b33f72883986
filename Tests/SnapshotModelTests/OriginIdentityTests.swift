import SnapshotModel
import Testing

@Suite struct OriginIdentityTests {
    private func file(_ inode: UInt64, device: UInt64 = 1, born: Int64? = 5) -> OriginIdentity {
        OriginIdentity(file: inode, device: device, bornNanoseconds: born)
    }

    private func device(_ names: String..., bytes: Int = 100) -> OriginIdentity {
        OriginIdentity(blockDevice: names, byteCount: bytes)
    }

    @Test("H1: a file is the same by its inode and its birth, also on a device with a new number")
    func files() {
        #expect(file(7).matches(file(7, device: 2)))
        #expect(!file(7).matches(file(8)))
        #expect(!file(7).matches(file(7, born: 6)))
        let (disk, otherDisk): (UInt64, UInt64) = (0x0801, 0x0811)
        #expect(file(7, device: disk, born: nil).matches(file(7, device: disk)))
        #expect(!file(7, device: disk, born: nil).matches(file(7, device: otherDisk)))
    }

    @Test("H1: a network filesystem's number, which each mount changes, tells nothing")
    func network() {
        #expect(file(7, device: 0x2a, born: nil).matches(file(7, device: 0x2b, born: nil)))
        #expect(!file(7, device: 0x2a, born: nil).matches(file(7, device: 0x0801, born: nil)))
        #expect(!file(7, device: 0x2a, born: nil).matches(file(8, device: 0x2a, born: nil)))
    }

    @Test("H1: a device is the same by its lasting names, whatever its size")
    func devices() {
        #expect(device("serial=a").matches(device("serial=a", bytes: 200)))
        #expect(device("serial=a", "dm=x").matches(device("dm=x", "wwid=q")))
        #expect(!device("serial=a", "dm=x").matches(device("serial=a", "dm=y")))
        #expect(!device("serial=a").matches(device("serial=b")))
        #expect(!device("serial=a", "partition=1").matches(device("serial=a", "partition=2")))
        #expect(!device("serial=a").matches(file(7)))
    }

    @Test("H1: a device without a name is the same by its size")
    func nameless() {
        #expect(device().matches(device()))
        #expect(!device().matches(device(bytes: 200)))
        #expect(device("partition=1").matches(device("partition=1")))
        #expect(!device("partition=1").matches(device("partition=1", bytes: 200)))
    }
}
