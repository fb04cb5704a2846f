// Where each Azure cloud has its services.

/** `logs` is also the audience of its tokens. */
export const CLOUDS = {
  public: {
    logs: 'https://api.loganalytics.io',
    management: 'https://management.azure.com',
    login: 'https://login.microsoftonline.com',
  },
  usgov: {
    logs: 'https://api.loganalytics.us',
    management: 'https://management.usgovcloudapi.net',
    login: 'https://login.microsoftonline.us',
  },
  china: {
    logs: 'https://api.loganalytics.azure.cn',
    management: 'https://management.chinacloudapi.cn',
    login: 'https://login.chinacloudapi.cn',
  },
} as const;
