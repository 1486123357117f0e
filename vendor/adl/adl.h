/* The part of AMD's Display Library (ADL) that wattmul calls, written from its documentation. No include, so that bindgen
 * needs no header of any system: libclang alone will do.
 *
 * As Windows has it (atiadlxx.dll), where a long has 32 bits: an unsigned long of the documentation is an unsigned int here.
 */
#ifndef WATTMUL_ADL_H
#define WATTMUL_ADL_H

#define ADL_OK 0
#define ADL_ERR_NOT_INIT -2
#define ADL_ERR_INVALID_ADL_IDX -5
#define ADL_ERR_NOT_SUPPORTED -8
#define ADL_ERR_DISABLED_ADAPTER -10
#define ADL_ERR_NO_ADMINISTRATOR_PRIVILEGES -23

typedef void *ADL_CONTEXT_HANDLE;
typedef unsigned int ADL_D3DKMT_HANDLE;
/* Gives the library memory for what it returns; nothing that is called here returns any. */
typedef void *(*ADL_MAIN_MALLOC_CALLBACK)(int size);

#define ADL_MAX_PATH 256

/* One GPU has several, one a display. */
typedef struct AdapterInfo {
    int iSize;
    int iAdapterIndex;
    char strUDID[ADL_MAX_PATH];
    int iBusNumber;
    int iDeviceNumber;
    int iFunctionNumber;
    int iVendorID;
    char strAdapterName[ADL_MAX_PATH];
    char strDisplayName[ADL_MAX_PATH];
    int iPresent;
    int iExist;
    char strDriverPath[ADL_MAX_PATH];
    char strDriverPathExt[ADL_MAX_PATH];
    char strPNPString[ADL_MAX_PATH];
    int iOSDisplayIndex;
} AdapterInfo;

/* What ADL2_Adapter_ASICFamilyType_Get tells: one on a processor, and one of a chip set's. */
#define ADL_ASIC_INTEGRATED 2
#define ADL_ASIC_FUSION 32

/* Sensors. 0 ends a list of them. */
#define ADL_SENSOR_MAXTYPES 0
#define ADL_PMLOG_CLK_GFXCLK 1         /* MHz */
#define ADL_PMLOG_CLK_MEMCLK 2         /* MHz */
#define ADL_PMLOG_TEMPERATURE_EDGE 8   /* degrees Celsius */
#define ADL_PMLOG_ASIC_POWER 23        /* W; none on the RX 7000 and later */
#define ADL_PMLOG_TEMPERATURE_HOTSPOT 27
#define ADL_PMLOG_CPU_POWER 33         /* W; of a processor with a GPU in it */
#define ADL_PMLOG_THROTTLER_STATUS 35  /* bits */
#define ADL_PMLOG_BOARD_POWER 73       /* W */

#define ADL_PMLOG_THROTTLE_POWER 1
#define ADL_PMLOG_THROTTLE_THERMAL 2
#define ADL_PMLOG_THROTTLE_CURRENT 4

#define ADL_PMLOG_MAX_SENSORS 256

typedef struct ADLPMLogSupportInfo {
    unsigned short usSensors[ADL_PMLOG_MAX_SENSORS];
    int ulReserved[16];
} ADLPMLogSupportInfo;

typedef struct ADLPMLogStartInput {
    unsigned short usSensors[ADL_PMLOG_MAX_SENSORS];
    unsigned int ulSampleRate; /* ms */
    int ulReserved[15];
} ADLPMLogStartInput;

typedef struct ADLPMLogStartOutput {
    unsigned long long ptr_LoggingAddress; /* an ADLPMLogData, into which the driver writes from then on */
    int ulReserved[14];
} ADLPMLogStartOutput;

typedef struct ADLPMLogData {
    unsigned int ulVersion;
    unsigned int ulActiveSampleRate;   /* ms */
    unsigned long long ulLastUpdated;  /* differs with every update */
    unsigned int ulValues[ADL_PMLOG_MAX_SENSORS][2]; /* sensor, value */
    unsigned int ulReserved[256];
} ADLPMLogData;

typedef struct ADLSingleSensorData {
    int supported;
    int value;
} ADLSingleSensorData;

/* By the sensors' numbers. */
typedef struct ADLPMLogDataOutput {
    int size;
    ADLSingleSensorData sensors[ADL_PMLOG_MAX_SENSORS];
} ADLPMLogDataOutput;

/* connected: 1 for adapters that are there, 0 for all that ever were. */
int ADL2_Main_Control_Create(ADL_MAIN_MALLOC_CALLBACK allocate, int connected, ADL_CONTEXT_HANDLE *context);
int ADL2_Adapter_NumberOfAdapters_Get(ADL_CONTEXT_HANDLE context, int *count);
int ADL2_Adapter_AdapterInfo_Get(ADL_CONTEXT_HANDLE context, AdapterInfo *adapters, int bytes);
int ADL2_Adapter_ASICFamilyType_Get(ADL_CONTEXT_HANDLE context, int adapter, int *types, int *known);
int ADL2_Adapter_PMLog_Support_Get(ADL_CONTEXT_HANDLE context, int adapter, ADLPMLogSupportInfo *support);
int ADL2_Device_PMLog_Device_Create(ADL_CONTEXT_HANDLE context, int adapter, ADL_D3DKMT_HANDLE *device);
int ADL2_Device_PMLog_Device_Destroy(ADL_CONTEXT_HANDLE context, ADL_D3DKMT_HANDLE device);
int ADL2_Adapter_PMLog_Start(ADL_CONTEXT_HANDLE context, int adapter, ADLPMLogStartInput *input, ADLPMLogStartOutput *output,
                             ADL_D3DKMT_HANDLE device);
int ADL2_Adapter_PMLog_Stop(ADL_CONTEXT_HANDLE context, int adapter, ADL_D3DKMT_HANDLE device);
int ADL2_New_QueryPMLogData_Get(ADL_CONTEXT_HANDLE context, int adapter, ADLPMLogDataOutput *data);

#endif
