/// A disk in the definition of one of libvirt's virtual machines.
package struct GuestDisk: Hashable, Sendable {
    /// The machine's name.
    package var domain: String
    /// What the source is given by: `file` or `dev`.
    package var attribute: String
    /// The path of the source.
    package var source: String
    /// What the disk is called in the machine: `vda`.
    package var target: String
    package var bus: String?
    /// Whether the machine runs.
    package var isRunning = false

    package init(
        domain: String, attribute: String, source: String, target: String, bus: String? = nil,
        isRunning: Bool = false
    ) {
        self.domain = domain
        self.attribute = attribute
        self.source = source
        self.target = target
        self.bus = bus
        self.isRunning = isRunning
    }

    /// The disks with a path in a definition, as libvirt keeps it. What is not understood is passed over.
    package static func all(inDefinition text: String) -> [GuestDisk] {
        var domain: String?
        var disks: [GuestDisk] = []
        var disk: GuestDisk?
        for element in XMLElements(text) {
            switch element.name {
            case "name" where domain == nil: domain = element.text
            case "disk":
                disk = GuestDisk(domain: domain ?? "", attribute: "", source: "", target: "")
            case "/disk":
                if let disk, !disk.source.isEmpty, !disk.target.isEmpty { disks.append(disk) }
                disk = nil
            // Behind it come the files that an image stands on.
            case "source" where disk?.source.isEmpty == true:
                for attribute in ["file", "dev"] {
                    guard let path = element.attributes[attribute] else { continue }
                    disk?.attribute = attribute
                    disk?.source = path
                }
            case "target":
                disk?.target = element.attributes["dev"] ?? ""
                disk?.bus = element.attributes["bus"]
            default: break
            }
        }
        return disks
    }
}
