import ArgumentParser

struct CatalogGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "catalog", "Look after the catalog.", [CatalogRebuildCommand.self])
}
