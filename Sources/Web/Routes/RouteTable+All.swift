extension RouteTable {
    /// What this version serves.
    static let all = RouteTable(
        routes: serviceRoutes + sessionRoutes + volumeRoutes + snapshotRoutes + fileRoutes
            + upkeepRoutes
            + changeRoutes
            + jobRoutes + webhookRoutes + pageRoutes)
}
