import Testing

@testable import DeviceMapper

@Suite("By what devices are known")
struct DeviceMarksTests {
    private let disk = ["wwid": "naa.1", "serial": "A"]

    private func part(_ number: String, _ uuid: String? = nil) -> [String: String] {
        var marks = disk
        marks["partition"] = number
        marks["partuuid"] = uuid
        return marks
    }

    @Test("the strongest mark that both have decides")
    func strongest() {
        #expect(DeviceMarks.difference(disk, ["wwid": "naa.1", "serial": "B"]) == nil)
        #expect(DeviceMarks.difference(disk, ["serial": "B"])?.mark == "serial")
        #expect(DeviceMarks.difference(disk, ["dm_name": "x"]) == nil)
        #expect(DeviceMarks.difference(part("1", "u"), part("2", "u")) == nil)
        #expect(DeviceMarks.difference(part("1"), part("2"))?.mark == "partition")
    }

    @Test("DH4: a disk is not one of its partitions, nor the other way round")
    func wholeDisk() {
        #expect(DeviceMarks.difference(part("1", "u"), disk)?.found == "none")
        #expect(DeviceMarks.difference(disk, part("1", "u"))?.known == "none")
        #expect(DeviceMarks.difference(part("1"), [:]) == nil)
        #expect(!DeviceMarks.agree(disk, part("1")) && !DeviceMarks.agree(part("1"), disk))
    }

    @Test("DH4: only what both have, the disk's and the partition's, proves that they are one")
    func agreement() {
        #expect(DeviceMarks.agree(disk, disk))
        #expect(DeviceMarks.agree(part("1", "u"), part("1")))
        #expect(!DeviceMarks.agree(disk, ["dm_name": "x"]))
        #expect(!DeviceMarks.agree(disk, [:]) && !DeviceMarks.agree([:], [:]))
        #expect(!DeviceMarks.agree(part("1"), part("2")))
        #expect(!DeviceMarks.agree(disk.merging(["partuuid": "u"]) { $1 }, disk))
        #expect(!DeviceMarks.agree(["loop_inode": "12"], ["loop_inode": "12"]))
    }
}
