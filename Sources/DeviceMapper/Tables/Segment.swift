/// One row of a table: a range of a device's sectors of 512 bytes, and its target.
package struct Segment: Hashable, Sendable {
    package var startSector: Int
    package var sectorCount: Int
    package var target: Target

    package init(startSector: Int, sectorCount: Int, target: Target) {
        self.startSector = startSector
        self.sectorCount = sectorCount
        self.target = target
    }

    package var endSector: Int { startSector + sectorCount }
}
