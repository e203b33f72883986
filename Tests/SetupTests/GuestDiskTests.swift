import Testing

@testable import Setup

@Suite struct GuestDiskTests {
    private static let definition = """
        <!-- WARNING: THIS IS AN AUTO-GENERATED FILE. <disk> CHANGES TO IT ARE LIKELY TO BE -->
        <domain type='kvm'>
          <name>web &amp; mail</name>
          <devices>
            <disk type='file' device='disk'>
              <driver name="qemu" type="raw"/>
              <source file='/srv/web &lt;1&gt;.img'/>
              <backingStore type='file'><source file='/srv/base.img'/></backingStore>
              <target dev='vda' bus='virtio'/>
            </disk>
            <disk type='block' device='disk'>
              <source dev='/dev/vg0/mail'/>
              <target dev='sdb'/>
            </disk>
            <disk type='network' device='disk'>
              <source protocol='nbd' name='x'><host transport='unix' socket='/run/x'/></source>
              <target dev='vdc' bus='virtio'/>
            </disk>
            <interface><target dev='vnet0'/></interface>
          </devices>
        </domain>
        """

    @Test func theDisksOfAMachineAreFoundWithTheirPaths() {
        #expect(
            GuestDisk.all(inDefinition: Self.definition) == [
                GuestDisk(
                    domain: "web & mail", attribute: "file", source: "/srv/web <1>.img",
                    target: "vda", bus: "virtio"),
                GuestDisk(
                    domain: "web & mail", attribute: "dev", source: "/dev/vg0/mail", target: "sdb"),
            ])
    }

    @Test(
        "what is no definition has no disks, and harms nobody",
        arguments: [
            "", "<", "<disk", "<disk><source file='", "<!--",
            "<disk><source file=/a><target dev='b'>",
            "</disk></disk>", "<disk><target dev='vda'/></disk>", "text < text > text",
        ])
    func broken(text: String) {
        #expect(GuestDisk.all(inDefinition: text).isEmpty)
    }

    @Test func everyBeginningOfADefinitionIsReadToItsEnd() {
        let text = Self.definition
        for index in text.indices {
            #expect(GuestDisk.all(inDefinition: String(text[..<index])).count <= 2)
        }
    }
}
