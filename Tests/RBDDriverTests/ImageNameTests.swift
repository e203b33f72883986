import SnapshotModel
import Testing

@testable import RBDDriver

/// Names of images: what is taken, in which form it is kept, and what is refused.
struct ImageNameTests {
    @Test(arguments: [
        "rbd:vms/web", "rbd:vms/tenant/web", "rbd:vms/web:id=backup",
        "rbd:vms/web:conf=/etc/ceph/other.conf", "rbd:vms/web:id=backup:conf=/a\\:b/c\\\\d.conf",
    ])
    func isKeptAsItIsWritten(_ text: String) throws {
        #expect(try #require(try ImageName.parse(text)).description == text)
        #expect(TextBounds.isOriginName(text))
    }

    @Test func itsPartsAreFound() throws {
        let name = try #require(try ImageName.parse("rbd:p/n/i:conf=/a\\:b:id=x"))
        #expect([name.pool, name.space, name.image] == ["p", "n", "i"])
        #expect(name.client == "x" && name.configuration == "/a:b")
        #expect(name.path == "p/n/i" && name.toolOptions == " --id x --conf /a:b")
    }

    @Test(arguments: ["disk.img", "/dev/rbd0", "rbd", "", "nbd:x/y"])
    func aPathIsNone(_ text: String) throws { #expect(try ImageName.parse(text) == nil) }

    @Test(arguments: [
        "rbd:", "rbd:pool", "rbd:/image", "rbd:pool/", "rbd:a/b/c/d", "rbd:a/b@s", "rbd:a b/c",
        "rbd:a/b:id", "rbd:a/b:id=", "rbd:a/b:id=x:id=y", "rbd:a/b:key=x", "rbd:a/b:conf=a\nb",
        "rbd:a/b:", "rbd:a/" + String(repeating: "i", count: 97),
    ])
    func whatCannotBeOneIsRefused(_ text: String) {
        #expect { try ImageName.parse(text) } throws: { ($0 as? Problem)?.code == .usage }
    }

    @Test func onlyOurOwnSnapshotsAreOurs() {
        let uuid = "0a1b2c3d-0000-4000-8000-000000000001"
        let name = ImageRecords.snapshotName(SnapshotOrdinal(rawValue: 12), of: uuid)
        #expect(ImageRecords.ordinal(ofSnapshot: name, of: uuid)?.rawValue == 12)
        for other in [
            "snapmgr-x-12", "before", "snapmgr-\(uuid)-", "snapmgr-\(uuid)-0", name + "x",
            "snapmgr-\(uuid)-+5", "snapmgr-\(uuid)-007",
            "snapmgr-\(uuid)-\(SnapshotOrdinal.bounds.upperBound)", "snapmgr-stop-\(uuid)-3",
        ] {
            #expect(ImageRecords.ordinal(ofSnapshot: other, of: uuid) == nil, "\(other)")
        }
    }
}
