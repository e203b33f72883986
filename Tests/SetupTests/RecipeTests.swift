import Testing

@testable import Setup

@Suite struct RecipeTests {
    private func text(_ user: Recipe.User, _ recipes: [Recipe]) -> String? {
        recipes.first { $0.user == user }?.text
    }

    @Test func aMachineThatHasTheOriginIsChangedByOneLine() {
        let disk = GuestDisk(
            domain: "my vm", attribute: "dev", source: "/dev/vg0/a", target: "sdb", bus: "scsi")
        let recipes = Recipes.served(volume: "a", socket: "/run/snapmgr/a.sock", disks: [disk])
        #expect(
            text(.libvirt, recipes)?.split(separator: "\n").first.map(String.init)
                == "virt-xml 'my vm' --edit target=sdb --disk type=network,source.dev=,"
                + "source.protocol=nbd,source.name=a,source.host0.transport=unix,"
                + "source.host0.socket=/run/snapmgr/a.sock")
        #expect(text(.libvirt, recipes)?.contains("<target dev='sdb' bus='scsi'/>") == true)
    }

    @Test func everybodyElseIsToldTheSocketAndToWaitForAServerThatIsRestarted() {
        let recipes = Recipes.served(volume: "vm1", socket: "/run/snapmgr/vm1.sock", disks: [])
        #expect(recipes.map(\.user) == [.libvirt, .qemu, .proxmox, .kernel])
        for recipe in recipes {
            #expect(recipe.text.contains("/run/snapmgr/vm1.sock"))
            #expect(recipe.text.contains("300"))
        }
        #expect(
            text(.qemu, recipes)
                == "-blockdev driver=nbd,node-name=vm1,server.type=unix,"
                + "server.path=/run/snapmgr/vm1.sock,export=vm1,reconnect-delay=300 "
                + "-device virtio-blk-pci,drive=vm1")
        #expect(text(.proxmox, recipes)?.hasPrefix("qm set VMID --args '-blockdev ") == true)
    }

    @Test func namesThatMeanSomethingElsewhereAreQuoted() {
        let recipes = Recipes.served(
            volume: "1." + String(repeating: "x", count: 40), socket: "/a b/c,'d'\".sock", disks: []
        )
        let node = "n1." + String(repeating: "x", count: 28)
        #expect(text(.qemu, recipes)?.hasSuffix("drive=\(node)") == true)
        #expect(text(.qemu, recipes)?.contains(#"server.path=/a b/c,,'\''d'\''".sock"#) == true)
        #expect(text(.kernel, recipes)?.contains(#""path":"/a b/c,'\''d'\''\".sock""#) == true)
        #expect(text(.libvirt, recipes)?.contains("socket='/a b/c,&apos;d&apos;\".sock'") == true)
    }

    @Test func whatWouldEndALineOrAnOptionIsEscaped() {
        let disk = GuestDisk(domain: "vm", attribute: "file", source: "/a", target: "vda")
        let recipes = Recipes.served(volume: "a", socket: "/b,c\nd.sock", disks: [disk])
        #expect(text(.kernel, recipes)?.contains(#""path":"/b,c\u000ad.sock""#) == true)
        #expect(text(.libvirt, recipes)?.contains("source.host0.socket=/b,,c\nd.sock'") == true)
        #expect(text(.libvirt, recipes)?.contains("socket='/b,c&#10;d.sock'") == true)
        let line = text(
            .fstab,
            Recipes.mapped(device: "/dev/mapper/a", mountPoint: "/b\n\tc\\", filesystem: nil))
        #expect(line?.hasPrefix(#"/dev/mapper/a /b\012\011c\134 auto "#) == true)
    }

    @Test func aDeviceIsMountedWhereItsOriginWas() {
        #expect(
            text(
                .fstab,
                Recipes.mapped(
                    device: "/dev/mapper/snapmgr-srv", mountPoint: "/my srv", filesystem: "ext4"))
                == #"/dev/mapper/snapmgr-srv /my\040srv ext4 "#
                + "defaults,x-systemd.requires=snapmgr-activate.service 0 2")
        #expect(
            text(.fstab, Recipes.mapped(device: "/dev/mapper/a", mountPoint: nil, filesystem: nil))?
                .hasPrefix("/dev/mapper/a /MOUNTPOINT auto ") == true)
    }
}
