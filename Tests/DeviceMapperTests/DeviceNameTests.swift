import DeviceMapper
import SnapshotModel
import Testing

@Suite("Names and UUIDs of devices")
struct DeviceNameTests {
    static let namedParts: [(DeviceName.Part, String)] = [
        (.mounted, "snapmgr-db.1"),
        (.content, "snapmgr-db.1:base"),
        (.linear, "snapmgr-db.1:real"),
        (.pausedOrigin, "snapmgr-db.1:under"),
        (.snapshot(SnapshotOrdinal(rawValue: 42)), "snapmgr-db.1:snap-000042"),
        (.snapshot(SnapshotOrdinal(rawValue: 1_234_567)), "snapmgr-db.1:snap-1234567"),
        (.synthetic(RevertID(rawValue: 7)), "snapmgr-db.1:synth-000007"),
        (.overlay(RevertID(rawValue: 7)), "snapmgr-db.1:overlay-000007"),
        (.view(SnapshotID(rawValue: 42)), "snapmgr-db.1@42"),
        (.clone(CloneOrdinal(rawValue: 3)), "snapmgr-db.1:clone-000003"),
        (.cloneBase(CloneOrdinal(rawValue: 3)), "snapmgr-db.1:below-000003"),
    ]

    @Test(
        "each part of a volume has its name, which tells volume and part again",
        arguments: namedParts)
    func parts(part: DeviceName.Part, text: String) throws {
        let name = DeviceName(volume: "db.1", part)
        #expect(name.text == text)
        #expect(name.path == "/dev/mapper/" + text)
        let read = try #require(DeviceName(text)?.volumePart)
        #expect(read.volume == "db.1" && read.part == part)
    }

    @Test(
        "a name that we would not write is nobody's part",
        arguments: [
            "vg-lv", "snapmgr-", "snapmgr-a:", "snapmgr-a:snap-42", "snapmgr-a:snap-0000042",
            "snapmgr-a:snap-+00042", "snapmgr-a@", "snapmgr-a@042", "snapmgr-a@-1",
            "snapmgr-a:base:base", "snapmgr-a@1:base", "snapmgr--a", "snapmgr-a:snap-",
            "snapmgr-a:synth-99999999999999999999", "snapmgr-a:clone-000000",
            "snapmgr-a:below-9999999999999999999",
        ])
    func foreign(text: String) throws {
        #expect(try #require(DeviceName(text)).volumePart == nil)
    }

    @Test(
        "what the kernel or a path cannot take is not a name",
        arguments: ["", ".", "..", "a/b", "a b", "a\n", String(repeating: "a", count: 128)])
    func invalid(text: String) { #expect(DeviceName(text) == nil) }

    @Test("the longest name of a volume leaves room for every part")
    func longest() {
        let volume = String(repeating: "v", count: 64)
        let names = [
            DeviceName(volume: volume, .overlay(RevertID(rawValue: .max))),
            DeviceName(volume: volume, .view(SnapshotID(rawValue: .max))),
        ]
        #expect(names.allSatisfy { DeviceName($0.text) == $0 })
    }

    @Test("a UUID is the volume's and the part's, and ours")
    func uuids() {
        let uuid = "0b5e7c1e-9f1d-4a60-8d0e-1c2b3a495867"
        let expected = "SNAPMGR-0b5e7c1e9f1d4a608d0e1c2b3a495867-"
        #expect(DeviceIdentity.prefix(volumeUUID: uuid) == expected)
        #expect(DeviceIdentity.uuid(volumeUUID: uuid, .mounted) == expected + "top")
        #expect(
            DeviceIdentity.uuid(volumeUUID: uuid, .snapshot(SnapshotOrdinal(rawValue: 42)))
                == expected + "snap-000042")
        #expect(
            DeviceIdentity.uuid(volumeUUID: uuid, .view(SnapshotID(rawValue: 42)))
                == expected + "view-42")
        #expect(DeviceIdentity.isOurs(expected + "top"))
        #expect(!DeviceIdentity.isOurs("LVM-" + expected))
        #expect(!DeviceIdentity.isOurs(""))
    }
}
