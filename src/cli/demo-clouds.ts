// The clouds of the demo: two EKS clusters, one AKS and one GKE cluster, emulated on loopback, with one day and one intruder.

import { startCloudLoggingEmulator } from '../../emulators/cloud-logging/server.ts';
import { startCloudWatchEmulator } from '../../emulators/cloudwatch/server.ts';
import { startLogAnalyticsEmulator } from '../../emulators/log-analytics/server.ts';
import { dayOfAksRows } from '../../emulators/story/aks.ts';
import { dayOfLogEntries } from '../../emulators/story/gke.ts';
import { dayOfLogEvents, type StoryOptions, storySecrets } from '../../emulators/story/index.ts';

export interface DemoCloud {
  readonly name: string;
  /** For people: `EKS, eu-central-1`. */
  readonly where: string;
  /** Audit records that its log service took in. */
  readonly sent: number;
  /** Its entry of the config, as YAML in flow style. */
  readonly config: string;
  /** The story it was made from. */
  readonly story: StoryOptions;
}

export interface DemoClouds {
  readonly clouds: readonly DemoCloud[];
  /** What must not be found in the archive. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
}

const ACCOUNT = '111122223333';
const WORKSPACE = '0f3e5c1a-7b2d-4c8e-9f60-112233445566';
const SUBSCRIPTION = '/subscriptions/00000000-1111-2222-3333-444444444444';
const WORKSPACE_ID = `${SUBSCRIPTION}/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/audit`;
const RESOURCE = `${SUBSCRIPTION}/resourceGroups/shop/providers/Microsoft.ContainerService/managedClusters/shop`;
const GKE = { project: 'acme-data', location: 'europe-west1', cluster: 'data' };
/** The longest that a late record of the demo takes. */
const LATE = 5 * 3_600_000;

export interface DemoDay {
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  readonly eventsPerHour: number;
  /** When the demo's clusters are retired: long enough after the day for what came late. */
  readonly until: string;
  now(): number;
}

/** Starts the emulators and puts the day into them. */
export async function startDemoClouds(day: DemoDay): Promise<DemoClouds> {
  const aws = await startCloudWatchEmulator({ account: ACCOUNT, clock: day.now });
  const azure = await startLogAnalyticsEmulator({ clock: day.now });
  const google = await startCloudLoggingEmulator({ clock: day.now });
  const story = (name: string, region: string, seed: number, shape: StoryOptions['shape']): StoryOptions => ({
    seed,
    cluster: { name, account: ACCOUNT, region },
    from: day.from,
    to: day.to,
    eventsPerHour: day.eventsPerHour,
    shape: shape ?? {},
  });
  const common = (url: string) => `until: "${day.until}", endpoint: "${url}", auth: none`;

  function eks(name: string, region: string, seed: number, intruder: boolean): DemoCloud {
    const options = story(name, region, seed, { intruder, leaks: intruder });
    const group = { account: ACCOUNT, region, logGroup: `/aws/eks/${name}/cluster` };
    aws.createLogGroup({ ...group, creationTime: day.from, retentionInDays: 90 });
    aws.setCluster({ account: ACCOUNT, region, name, audit: true });
    const odd = { late: 0.002, lateUpTo: LATE, duplicates: 0.002, truncated: 0.0005, klogPerHour: 20 };
    let sent = 0;
    for (const [stream, events] of Map.groupBy(
      dayOfLogEvents({ ...options, ...odd }),
      (event) => event.logStreamName,
    )) {
      aws.putEvents(group, stream, events);
      if (stream.startsWith('kube-apiserver-audit-')) sent += events.length;
    }
    const config = `{name: ${name}, provider: eks, region: ${region}, cluster: ${name}, ${common(aws.url)}}`;
    return { name, where: `EKS, ${region}`, sent, config, story: options };
  }

  function aks(name: string, seed: number): DemoCloud {
    const options = story(name, 'westeurope', seed, { intruder: true, leaks: true });
    azure.createWorkspace({ id: WORKSPACE, resourceId: WORKSPACE_ID });
    azure.createTable(WORKSPACE, 'AKSAudit', { retentionInDays: 90 });
    azure.setDiagnosticSettings(RESOURCE, [
      { name: 'audit', workspace: WORKSPACE_ID, dedicated: true, categories: ['kube-audit'] },
    ]);
    const origin = { resource: RESOURCE, pod: 'kube-apiserver-6797f4455b-jdgtt' };
    const rows = [...dayOfAksRows({ ...options, origin, late: 0.002, lateUpTo: LATE })];
    azure.putRows(WORKSPACE, 'AKSAudit', rows);
    const config = `{name: ${name}, provider: aks, workspace: ${WORKSPACE}, resource: ${RESOURCE}, callsPerSecond: 100, ${common(azure.url)}}`;
    return { name, where: 'AKS, Log Analytics', sent: rows.length, config, story: options };
  }

  function gke(name: string, seed: number): DemoCloud {
    const options = story(name, GKE.location, seed, { intruder: true, leaks: true });
    google.createProject({ project: GKE.project, createTime: day.from });
    google.setDataAccess(GKE.project, ['ADMIN_READ', 'DATA_READ', 'DATA_WRITE']);
    const { cluster: _, ...rest } = options;
    const entries = [...dayOfLogEntries({ ...rest, cluster: GKE, late: 0.002, lateUpTo: LATE })];
    google.putEntries(GKE.project, entries);
    const config = `{name: ${name}, provider: gke, project: ${GKE.project}, location: ${GKE.location}, cluster: ${GKE.cluster}, callsPerMinute: 6000, ${common(google.url)}}`;
    return { name, where: 'GKE, Cloud Logging', sent: entries.length, config, story: options };
  }

  const { seed } = day;
  return {
    clouds: [
      eks('prod-eu', 'eu-central-1', seed, true),
      eks('prod-us', 'us-east-1', seed + 1, false),
      aks('shop', seed),
      gke('data', seed),
    ],
    secrets: storySecrets(seed),
    async close() {
      await Promise.all([aws.close(), azure.close(), google.close()]);
    },
  };
}
