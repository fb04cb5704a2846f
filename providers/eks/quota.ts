// Quotas of FilterLogEvents by region, and the names AWS gives to things.

/** Calls per second, for each account and region, shared with every other reader. Not adjustable at AWS. */
const SLOW = new Set(['eu-central-1', 'ap-northeast-3', 'ap-southeast-3', 'ca-west-1', 'il-central-1']);

export function filterLogEventsPerSecond(region: string): number {
  if (region === 'us-east-1') return 25;
  return SLOW.has(region) ? 5 : 10;
}

function partition(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  if (region.startsWith('us-gov-')) return 'aws-us-gov';
  if (region.startsWith('us-isob-')) return 'aws-iso-b';
  if (region.startsWith('us-iso-')) return 'aws-iso';
  if (region.startsWith('eu-isoe-')) return 'aws-iso-e';
  return 'aws';
}

/** As IAM wants it for reading: with the trailing `:*`. */
export function logGroupArn(region: string, account: string, logGroup: string): string {
  return `arn:${partition(region)}:logs:${region}:${account}:log-group:${logGroup}:*`;
}

export function clusterArn(region: string, account: string, cluster: string): string {
  return `arn:${partition(region)}:eks:${region}:${account}:cluster/${cluster}`;
}
